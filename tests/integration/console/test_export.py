"""
A session as a file that can be sent to somebody.
"""

from __future__ import annotations

from html.parser import HTMLParser
from http import HTTPStatus
from typing import Any

from asm_async import SessionStatus, conventions
from asm_async.testing.factories import make_event, make_run, make_session
from asm_async.values.session_export import SessionExport
from tests.integration.console.serving import PATH, Console

EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&"
PIXEL = "data:image/png;base64,iVBORw0KGgo="


class Page(HTMLParser):
    """
    What a page consists of.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """
        Take note of a tag.
        """
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        """
        Take note of a text.
        """
        self.texts.append(data)


async def export(console: Console, form: str = "html") -> Any:
    """
    Return the answer that a browser saves.
    """
    answer = await console.client.get(
        f"{PATH}/api/export", params={"session_id": "ses_1", "format": form}
    )
    assert answer.status_code == HTTPStatus.OK
    return answer


async def store_everything(console: Console) -> None:
    """
    Store a session in which everything that can be text would like to be HTML.
    """
    store = console.ports.store
    session = make_session(
        user_id=EVIL,
        agent_id=EVIL,
        tags=(EVIL,),
        metadata={"title": EVIL},
        status=SessionStatus.ACTIVE,
    )
    await store.save_session(session)
    run = make_run(provider=EVIL, provider_metadata={"model": EVIL})
    await store.save_run(run.fail({"code": EVIL, "message": EVIL}))
    options: dict[str, Any] = {"session_id": "ses_1"}
    tool: dict[str, Any] = {"tool_call_id": EVIL, "tool_name": EVIL, **options}
    await store.append_events(
        [
            conventions.message_sent(content=EVIL, role="system", **options),
            conventions.message_sent(
                content=[
                    {"type": "text", "text": EVIL},
                    {"type": EVIL, "a": EVIL},
                    {"type": "image_url", "image_url": PIXEL},
                    {"type": "image_url", "image_url": f"https://a.example/{EVIL}"},
                ],
                **options,
            ),
            conventions.message_received(
                content=EVIL, model=EVIL, stop_reason=EVIL, **options
            ),
            conventions.tool_call_started(tool_input={EVIL: EVIL}, **tool),
            conventions.tool_call_completed(tool_output=EVIL, **tool),
            conventions.tool_call_failed(error_message=EVIL, error_code=EVIL, **tool),
            conventions.tool_approval_denied(decided_by=EVIL, reason=EVIL, **tool),
            conventions.run_failed(error_message=EVIL, details={EVIL: EVIL}, **options),
            conventions.policy_violation(
                policy=EVIL, kind=EVIL, action=EVIL, **options
            ),
            conventions.session_paused(reason=EVIL, **options),
            conventions.error_occurred(error_message=EVIL, **options),
            make_event(id="own", type=f"own.{EVIL}", data={EVIL: EVIL}),
        ]
    )


async def test_nothing_that_was_stored_is_markup(console: Console) -> None:
    """
    Whatever a session says, the page has only its own tags, and no script.
    """
    await store_everything(console)

    answer = await export(console)
    page = Page(answer.text)

    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    names = {tag for tag, _ in page.tags}
    assert names.isdisjoint({"script", "iframe", "object", "link", "form", "base"})
    assert not any(
        name.startswith("on") for _, attributes in page.tags for name in attributes
    )
    images = [attributes for tag, attributes in page.tags if tag == "img"]
    assert [image["src"] for image in images] == [PIXEL]
    links = [attributes["href"] for tag, attributes in page.tags if tag == "a"]
    assert all(str(link).startswith("#e") for link in links)
    text = "".join(page.texts)
    assert text.count("<script>alert(1)</script>") > 20


async def test_the_page_stands_alone(console: Console) -> None:
    """
    Styles are in it, nothing is asked for from elsewhere, and a policy says so.
    """
    await store_everything(console)

    answer = await export(console)
    page = Page(answer.text)

    assert answer.headers["content-disposition"] == 'attachment; filename="ses_1.html"'
    assert answer.headers["content-security-policy"].startswith("sandbox;")
    policies = [
        attributes["content"]
        for tag, attributes in page.tags
        if tag == "meta" and "http-equiv" in attributes
    ]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'; img-src data:"]
    assert "color-scheme: light dark" in answer.text
    assert answer.text.endswith("</html>\n")
    assert "url(" not in answer.text


async def test_the_page_shows_each_event_whole(console: Console) -> None:
    """
    Nothing is cut in a file, whose reader has no console to ask for the rest.
    """
    await console.ports.store.save_session(make_session())
    events = [
        conventions.message_sent(session_id="ses_1", content=f"{n} " + "x" * 9_000)
        for n in range(70)
    ]
    await console.ports.store.append_events(events)

    answer = await export(console)

    assert answer.text.count("<article") == 70
    assert answer.text.count("x" * 9_000) == 70
    assert 'id="e70"' in answer.text


async def test_pieces_of_a_streamed_message_are_shown_once(console: Console) -> None:
    """
    Pieces are left out where the message comes whole, and joined where it does not.
    """
    await console.ports.store.save_session(make_session())
    options: dict[str, Any] = {"session_id": "ses_1"}

    def piece(message_id: str, delta: str) -> Any:
        return conventions.message_streamed(
            delta=delta, message_id=message_id, **options
        )

    whole = conventions.message_received(content="Good day", message_id="m1", **options)
    await console.ports.store.append_events(
        [
            piece("m1", "Good "),
            piece("m1", "day"),
            conventions.message_received(
                content="Good day", message_id="m1", **options
            ),
            piece("m2", "Bro"),
            piece("m2", "ken"),
            piece("m3", "off"),
        ]
    )

    text = (await export(console)).text

    assert text.count("<article") == 3
    assert text.count("Good day") == 1
    assert "Good <" not in text
    assert ">Broken<" in text
    assert ">off<" in text


async def test_the_json_is_the_session_that_can_be_read_back(console: Console) -> None:
    """
    The JSON holds everything that belongs to the session.
    """
    await store_everything(console)

    answer = await export(console, "json")

    found = SessionExport.from_dict(answer.json())
    expected = await console.ports.query.export_session("ses_1")
    assert found == expected
    assert answer.headers["content-disposition"] == 'attachment; filename="ses_1.json"'


async def test_an_ids_characters_do_not_reach_the_files_name(console: Console) -> None:
    """
    A name has no path, no quotes and no line breaks in it.
    """
    id_ = '../../etc/"x"\r\nSet-Cookie: a=b'
    await console.ports.store.save_session(make_session(id=id_))

    answer = await console.client.get(f"{PATH}/api/export", params={"session_id": id_})

    name = answer.headers["content-disposition"]
    assert name == 'attachment; filename="_.._etc_x_Set-Cookie_a_b.html"'
    assert "set-cookie" not in answer.headers
