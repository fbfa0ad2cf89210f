"""Join the handlers into one router; an event that none of them takes is stored and ignored."""

from gidgethub import routing

from handlers import checks, comments, installations, issues, pulls, pushes, repositories, reviews

# `ping` needs no handler: the receiver answers it once its signature holds.
ROUTERS = (
    issues.router,
    comments.router,
    reviews.router,
    pulls.router,
    checks.router,
    pushes.router,
    repositories.router,
    installations.router,
)


def router() -> routing.Router:
    """Return the router of every event that Journeyman acts on."""
    return routing.Router(*ROUTERS)
