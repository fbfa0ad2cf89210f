"""Carry loopback connections to the registry proxy's Unix socket while one command runs; end as it ends.

Runs inside the sandbox as `python -I -S forward.py SOCKET COMMAND...`; imports only the standard library.
"""

import os
import select
import socket
import sys
import threading

PORT = 3128
_CHUNK = 1 << 16


def carry(client: socket.socket, path: str) -> None:
    """Copy bytes both ways until both sides have closed."""
    with client, socket.socket(socket.AF_UNIX) as proxy:
        try:
            proxy.connect(path)
            copy(client, proxy)
        except OSError:
            return  # one side went away: closing both tells the other


def copy(client: socket.socket, proxy: socket.socket) -> None:
    """Move what arrives on either socket to the other; pass on each end of stream."""
    other = {client: proxy, proxy: client}
    reading = [client, proxy]
    while reading:
        for source in select.select(reading, [], [])[0]:
            data = source.recv(_CHUNK)
            if data:
                other[source].sendall(data)
            else:
                reading.remove(source)
                other[source].shutdown(socket.SHUT_WR)


def accept(listener: socket.socket, path: str) -> None:
    """Serve each connection in a thread of its own."""
    while True:
        client, _ = listener.accept()
        threading.Thread(target=carry, args=(client, path), daemon=True).start()


def main() -> int:
    """Listen, then start the command; return its exit code (128 + signal when one killed it)."""
    path, command = sys.argv[1], sys.argv[2:]
    listener = socket.create_server(("127.0.0.1", PORT), backlog=128)
    child = os.fork()
    if child == 0:
        try:
            os.execvp(command[0], command)  # noqa: S606
        except OSError as error:
            os.write(2, f"{command[0]}: {error.strerror}\n".encode())
            os._exit(127)
    threading.Thread(target=accept, args=(listener, path), daemon=True).start()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)  # connections that are still open don't keep us
