"""An OpenAI-compatible upstream on real sockets whose faults are chosen by the model's name.

    async with Upstream() as up:
        provider = moakit.Provider("up", base_url=up.base_url, api_key="k")
        await provider("say:hello+status:429+retry_after:1+times:1").run("hi")
        assert [call.status for call in up.calls] == ["done", "done"]

A name is parts joined with `+`; a part is `name` or `name:argument`. What is not a part is just a name, and
such a model answers `"<model> #<n>: <the last user text, 60 characters>"`, n counting that model's calls.
In a TEXT underscores stand for spaces, `%2B` for `+`. "After N tokens" counts reasoning, content and the
pieces of a tool call alike; an N beyond the end means the end.

| the answer | |
|---|---|
| `say:TEXT` | answers TEXT; continues it when the last message is an assistant's beginning of it |
| `resumes` | continues the text where the longest beginning of it that stands in the prompt ends |
| `then:TEXT` | what that model says in its second call; repeatable, the last one for good |
| `tokens:N` | answers `w1 w2 … wN` (with `say`: its words over and over) |
| `reasoning:TEXT` | adds `reasoning_content`; `reasoning_as:FIELD` under another name |
| `think:TEXT` | `<think>TEXT</think>` before the text |
| `tool:NAME` | calls the tool with `{"x": 1}`, in fragments when streamed; text after a tool result; \
repeatable, for parallel calls |
| `x:N` | calls it with `{"x": N}` |
| `echo_tools` | answers the names of the tools that were offered, as a JSON list |
| `empty` `blank` `null` | content `""`, whitespace, null |
| `filter` `length` | finish_reason `content_filter` without text; finish_reason `length` |
| `huge:MB` | a text, so a line, that long |
| `nousage` `cached:N` `usage_before` | no usage; N cached tokens; the usage chunk before finish_reason |
| `logprobs` `extra` `fingerprint` | logprobs; unknown fields at every level; that field |

| time | |
|---|---|
| `sleep:S` | S seconds before the headers |
| `ttft:S` | headers and the role at once, the first token after S seconds (not streamed: as `sleep`) |
| `pace:S` | S seconds before every further token (not streamed: all of them before the headers) |

| refusals | |
|---|---|
| `status:CODE` | that status with OpenAI's error JSON |
| `code:CODE` | that error code, status 400 unless given; `context_length_exceeded` with numbers |
| `refuse:TEXT` | 400 with that message and no code |
| `filter400` | 400 with code `content_filter` |
| `leak` | the error repeats the key that was sent; 401 unless given |
| `retry_after:X` `retry_after_ms:N` | the header on the error, status 429 unless given; X may be \
`dateN`, an HTTP date N seconds ahead, rounded up |
| `should_retry:true` | the `x-should-retry` header on the error |
| `reject:PARAM` | 400 "Unsupported parameter: 'PARAM'" when the body has it; repeatable |
| `noprefill` | 400 when the last message is an assistant's |
| `context:N` | 400 `context_length_exceeded` when the prompt has more than N words |
| `error200` `notjson` | HTTP 200 with an error object; with a page of HTML |

| the wire | |
|---|---|
| `hang` `close` `reset` | before the headers: never answers; closes; resets (RST) |
| `hang_after:N` `cut:N` | after N tokens: stalls; closes without an end (not streamed: in mid-body) |
| `stall:S` | `hang_after` goes on after S seconds |
| `badchunk:N` `badutf8:N` `error_in_stream:N` | after N tokens: a malformed chunk; one that is not UTF-8; \
an error object, then the end |
| `nodone` `nofinish` `silent_end` | no `[DONE]`; finish_reason null; open and silent after finish_reason |
| `comments` | `: ping` between chunks and, every 50 ms, through waits: `comments+hang_after:0` |
| `crlf` `cr` `bom` `bytewise` | CRLF or CR line ends; a byte order mark first; one byte at a time |
| `multiline` | an event's data in several lines |
| `stale` | answers, then closes the connection without a word when it is used again |

`times:K` makes these happen only in the first K calls of that model, `every:K` only in every Kth: `sleep`,
`ttft`, the last two tables but for `comments`, `crlf`, `cr`, `bom`, `bytewise`, `multiline`, and `empty`,
`blank`, `null`, `filter`, `length`, `huge`.
`up.behaves["any-name"] = "status:503"` gives any name a behaviour, and another one later.
"""

from .calls import Call
from .server import Upstream

__all__ = ["Call", "Upstream"]
