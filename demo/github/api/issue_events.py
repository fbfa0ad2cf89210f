"""The history operation decides what is told of a thread's past."""

from demo.github import happening
from demo.github.call import Answer, Call, Route


async def list_events(call: Call) -> Answer:
    """GET /repos/{owner}/{repo}/issues/{issue_number}/events: oldest first."""
    thread = call.issue()
    name = thread.repository.full_name
    return call.page(thread.history, lambda each: happening.shape(call.world.url, name, each))


ROUTES = [Route("GET", "/repos/{owner}/{repo}/issues/{number}/events", list_events, "issues:read")]
