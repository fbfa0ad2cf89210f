"""Name the error answers of the Messages API: status, type, sentence and code."""

from __future__ import annotations

from typing import Any

TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    503: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}


class ApiError(Exception):
    """An answer that is an error; `headers` go out beside the body."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = "",
        code: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        """Take the HTTP status and the sentence; the type follows from the status unless given."""
        super().__init__(message)
        self.status = status
        self.kind = kind or TYPES.get(status, "api_error")
        self.code = code
        self.headers = headers or {}

    def body(self, request_id: str) -> dict[str, Any]:
        """Return the JSON body as the API writes it."""
        error: dict[str, Any] = {"type": self.kind, "message": str(self)}
        if self.code:
            error["details"] = {"error_code": self.code}
        return {"type": "error", "error": error, "request_id": request_id}


def invalid(message: str, code: str | None = None) -> ApiError:
    """Return a 400 with this sentence."""
    return ApiError(400, message, code=code)
