"""The hooks decide, inside a push, what GitHub would object to, and tell which refs really moved."""

from pathlib import Path

PRE_RECEIVE = """#!/bin/sh
# Leaves in $VERDICT, one ref a line, why the push is refused; leaves it empty when it is fine.
exec >"$VERDICT"
zero=0000000000000000000000000000000000000000
bad=
while read -r old new ref; do
    reason="pre-receive hook declined"
    case " $PROTECTED " in *" $ref "*) reason="protected branch hook declined" bad=1 ;; esac
    case "$ref" in refs/pull/*) reason="deny updating a hidden ref" bad=1 ;; esac
    if [ "$new" != "$zero" ] && [ -z "$WORKFLOWS" ]; then
        file=$(git log --format= --name-only --no-renames -m "$new" --not --all -- .github/workflows |
            head -n 1)
        if [ -n "$file" ]; then
            reason="refusing to allow a GitHub App to create or update workflow"
            reason="$reason \\`$file\\` without \\`workflows\\` permission"
            bad=1
        fi
    fi
    echo "$ref $reason"
done
[ -z "$bad" ] || exit 1
: >"$VERDICT"
"""
POST_RECEIVE = '#!/bin/sh\nexec cat >"$UPDATES"\n'


def install(git_dir: Path) -> None:
    """Put both hooks into a bare repository."""
    folder = git_dir / "hooks"
    folder.mkdir(exist_ok=True)
    for name, text in (("pre-receive", PRE_RECEIVE), ("post-receive", POST_RECEIVE)):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
