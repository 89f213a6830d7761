"""Channels against real servers on loopback: what they post, what they make of answers, whom they never reach."""

from __future__ import annotations

import asyncio
import json
import logging
import shutil
import socket
import ssl
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.integration.streams.certificates import Certificates, make_certificates
from tests.support.notice_targets import Asked, answer, config, http_target, relay
from xueliang_central.notices.channels import Channel, open_channels
from xueliang_central.notices.outcomes import Outcome, Refused, Taken, TryAgain
from xueliang_central.notices.requests import dingtalk_signature, feishu_signature
from xueliang_central.notices.saying import Said
from xueliang_central.notices.targets import Targets

NOW = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
VALUES = {
    "drill": "false",
    "hazard": "crowd",
    "key": "n-1-0",
    "kind": "task_offered",
    "link": "https://centre.example/phone/tasks/t-1",
    "number": "20261123-0001",
    "severity": "1",
    "text": '新任务，请接单："20261123-0001"，人员聚集',
}
SAID = Said(VALUES["key"], "13800001111", "新任务", VALUES["text"], VALUES["link"], VALUES)


def one(settings: dict[str, Any], **more: Any) -> Channel:
    return open_channels(config({"it": settings}, **more), lambda: NOW)["it"]


async def sent_to(settings: dict[str, Any], reply: bytes | None, **more: Any) -> tuple[Outcome, list[Asked]]:
    async with http_target(lambda _n, _a: reply) as target:
        settings = {**settings, "url": f"{target.url}{settings.get('url', '/hook')}"}
        return await one(settings, **more).send(SAID), target.asked


OK = answer(200, b'{"errcode": 0, "code": 0}')


async def test_wecom_mentions_the_person_and_the_key_is_in_the_head() -> None:
    outcome, [asked] = await sent_to({"kind": "wecom", "url": "/send?key=hunter2"}, OK)
    assert outcome == Taken()
    assert (asked.method, asked.path, asked.headers["idempotency-key"]) == ("POST", "/send?key=hunter2", "n-1-0")
    text = f"{VALUES['text']}\n{VALUES['link']}"
    assert json.loads(asked.body) == {
        "msgtype": "text",
        "text": {"content": text, "mentioned_mobile_list": ["13800001111"]},
    }


async def test_dingtalk_is_signed_in_the_query() -> None:
    secret = "SEC0123"
    outcome, [asked] = await sent_to({"kind": "dingtalk", "url": "/send?access_token=t", "sign_secret": secret}, OK)
    query = parse_qs(urlsplit(asked.path).query)
    at_ms = int(NOW.timestamp() * 1000)
    assert outcome == Taken()
    assert query == {
        "access_token": ["t"],
        "timestamp": [str(at_ms)],
        "sign": [dingtalk_signature(secret, at_ms)],
    }
    assert json.loads(asked.body)["at"] == {"atMobiles": ["13800001111"], "isAtAll": False}


async def test_feishu_is_signed_in_the_body() -> None:
    outcome, [asked] = await sent_to({"kind": "feishu", "sign_secret": "s"}, OK)
    body = json.loads(asked.body)
    assert outcome == Taken()
    assert {name: body[name] for name in ("timestamp", "sign")} == feishu_signature("s", int(NOW.timestamp()))
    assert body["content"]["text"].startswith('<at user_id="13800001111"></at> ')


async def test_a_template_is_filled_in_and_escaped() -> None:
    settings = {
        "kind": "http",
        "url": "/sms?to={address}&t={text}",
        "headers": {"Authorization": "Bearer hunter2"},
        "body": '{"to": "{address}", "content": "{text} {link}", "drill": {"is": "{drill}"}}',
    }
    outcome, [asked] = await sent_to(settings, answer(202))
    assert outcome == Taken()
    assert asked.headers["authorization"] == "Bearer hunter2"
    assert json.loads(asked.body)["content"] == f"{VALUES['text']} {VALUES['link']}"
    assert parse_qs(urlsplit(asked.path).query) == {"to": ["13800001111"], "t": [VALUES["text"]]}


async def test_without_a_template_a_webhook_gets_everything_and_no_more() -> None:
    _, [asked] = await sent_to({"kind": "http"}, answer(200))
    assert json.loads(asked.body) == {**VALUES, "address": "13800001111"}


async def test_what_is_filled_in_is_not_searched_for_placeholders() -> None:
    tricky = Said("k", "{text}", "t", '"}, {link}', "l", {**VALUES, "text": '"}, {link}'})
    async with http_target() as target:
        channel = one({"kind": "http", "url": target.url, "body": '{"a": "{address}", "t": "{text}"}'})
        await channel.send(tricky)
    assert json.loads(target.asked[0].body) == {"a": "{text}", "t": '"}, {link}'}


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (answer(500), TryAgain("http_500")),
        (answer(503, Retry_After="7"), TryAgain("http_503", 7.0)),
        (answer(429, Retry_After="120"), TryAgain("http_429", 120.0)),
        (answer(429, Retry_After="999999"), TryAgain("http_429", 900.0)),
        (answer(429, Retry_After="Wed, 21 Oct 2026 07:28:00 GMT"), TryAgain("http_429")),
        (answer(404), Refused("http_404")),
        (b"SSH-2.0-OpenSSH_9.7\r\n", TryAgain("RemoteProtocolError")),
        (b"", TryAgain("RemoteProtocolError")),
    ],
    ids=["500", "503", "429", "429 too long", "429 date", "404", "not http", "closed"],
)
async def test_what_an_answer_means(reply: bytes, outcome: Outcome) -> None:
    assert (await sent_to({"kind": "http"}, reply))[0] == outcome


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        (b'{"errcode": 93000, "errmsg": "invalid webhook"}', Refused("code_93000")),
        (b'{"errcode": 45009}', TryAgain("code_45009")),
        (b'{"StatusCode": 0}', Taken()),
        (b"<html>gateway</html>", TryAgain("answer_unreadable")),
        (b'{"errcode": "0"}', TryAgain("answer_unreadable")),
        (b"[]", TryAgain("answer_unreadable")),
    ],
    ids=["refused", "too often", "old feishu", "html", "text", "list"],
)
async def test_a_robot_that_answers_200_may_have_refused(body: bytes, outcome: Outcome) -> None:
    assert (await sent_to({"kind": "wecom"}, answer(200, body)))[0] == outcome


async def test_a_gateway_that_answers_200_may_have_refused() -> None:
    settings = {"kind": "http", "accepted_if": '"code":"OK"'}
    assert (await sent_to(settings, answer(200, b'{"code":"OK"}')))[0] == Taken()
    assert (await sent_to(settings, answer(200, b'{"code":"LIMIT"}')))[0] == Refused("not_accepted")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_nobody_is_followed(status: int) -> None:
    async with http_target() as inside:
        reply = answer(status, Location=f"{inside.url}/secret")
        assert (await sent_to({"kind": "http"}, reply))[0] == Refused(f"redirect_{status}")
    assert inside.connections == 0


async def test_a_target_that_hangs_costs_its_deadline() -> None:
    began = time.monotonic()
    outcome, asked = await sent_to({"kind": "http"}, None, deadline_s=1)
    assert (outcome, len(asked)) == (TryAgain("timeout"), 1)
    assert time.monotonic() - began < 3


async def test_an_answer_without_end_is_read_no_further_than_needed() -> None:
    endless = b"HTTP/1.1 200 x\r\nContent-Length: 9000000000\r\n\r\n" + b"x" * 200_000
    assert (await sent_to({"kind": "http"}, endless, deadline_s=5))[0] == Taken()


async def test_a_target_that_is_not_there_is_tried_again() -> None:
    async with http_target() as target:
        url = target.url
    assert await one({"kind": "http", "url": url}).send(SAID) == TryAgain("ConnectError")


HIDDEN = [
    "http://127.0.0.1:{port}/",
    "http://2130706433:{port}/",
    "http://0x7f000001:{port}/",
    "http://0177.0.0.1:{port}/",
    "http://127.1:{port}/",
    "http://0:{port}/",
    "http://0.0.0.0:{port}/",
    "http://[::1]:{port}/",
    "http://[::ffff:127.0.0.1]:{port}/",
    "http://[::ffff:7f00:1]:{port}/",
    "http://localhost:{port}/",
    "http://LOCALHOST:{port}/",
    "https://127.0.0.1:{port}/",
]


@pytest.mark.parametrize("url", HIDDEN)
async def test_loopback_is_not_reached_unless_allowed(url: str) -> None:
    async with http_target() as inside:
        settings = {"kind": "http", "url": url.format(port=inside.port)}
        channel = open_channels(config({"it": settings}, private_targets=[]), lambda: NOW)["it"]
        assert await channel.send(SAID) in (Refused("forbidden_address"), TryAgain("no_such_name"))
    assert inside.connections == 0


class Names:
    """A resolver by hand: each question takes the next answer."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self._answers = list(answers)
        self.asked = 0

    async def __call__(self, _host: str, _port: int) -> Sequence[str]:
        self.asked += 1
        return self._answers[min(self.asked, len(self._answers)) - 1]


async def test_a_name_that_changes_its_mind_is_asked_only_once() -> None:
    """The first answer is judged and connected to; the second one, 127.0.0.2, never."""
    names = Names(["127.0.0.1"], ["127.0.0.2"])
    settings = config({"it": {"kind": "http", "url": "http://rebinding.example:1/"}})
    async with http_target() as inside:
        url = f"http://rebinding.example:{inside.port}/"
        settings = config({"it": {"kind": "http", "url": url}}, private_targets=["127.0.0.1/32"])
        channel = open_channels(settings, lambda: NOW, targets=Targets(settings.private_targets, names))["it"]
        assert await channel.send(SAID) == Taken()
        assert (names.asked, inside.asked[0].headers["host"]) == (1, f"rebinding.example:{inside.port}")
        assert await channel.send(SAID) == Refused("forbidden_address")
    assert len(inside.asked) == 1


async def test_a_name_that_points_inside_and_outside_is_not_trusted() -> None:
    settings = config({"it": {"kind": "http", "url": "https://both.example/"}}, private_targets=[])
    judge = Targets(settings.private_targets, Names(["93.184.216.34", "10.0.0.9"]))
    assert await open_channels(settings, lambda: NOW, targets=judge)["it"].send(SAID) == Refused("forbidden_address")


async def test_plain_http_goes_to_the_private_network_only() -> None:
    settings = config({"it": {"kind": "http", "url": "http://outside.example/"}}, private_targets=[])
    judge = Targets(settings.private_targets, Names(["93.184.216.34"]))
    assert await open_channels(settings, lambda: NOW, targets=judge)["it"].send(SAID) == Refused("forbidden_address")


async def test_the_environment_names_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    async with http_target() as proxy, http_target() as target:
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        assert await one({"kind": "http", "url": target.url}).send(SAID) == Taken()
    assert (proxy.connections, target.connections) == (0, 1)


def mail_settings(port: int) -> dict[str, Any]:
    return {"kind": "email", "host": "127.0.0.1", "port": port, "tls": "none", "sender": "notices@centre.example"}


MAILED = Said("n-1-2", "li@city.example", "t", VALUES["text"], VALUES["link"], VALUES)


async def test_an_email_has_the_key_as_its_message_id() -> None:
    async with relay() as server:
        assert await one(mail_settings(server.port)).send(MAILED) == Taken()
    [taken] = server.taken
    assert "Message-ID: <n-1-2@centre.example>" in taken
    assert "To: li@city.example" in taken


@pytest.mark.parametrize(
    ("said", "outcome"),
    [("550 no such box", Refused("smtp_550")), ("451 later", TryAgain("smtp_451"))],
    ids=["no such box", "greylisted"],
)
async def test_what_a_relay_says_of_the_receiver(said: str, outcome: Outcome) -> None:
    async with relay() as server:
        server.rcpt_answers = said
        assert await one(mail_settings(server.port)).send(MAILED) == outcome
    assert server.taken == []


async def test_a_relay_that_hangs_costs_its_deadline_and_is_hung_up_on() -> None:
    async with relay() as server:
        server.hangs = True
        assert await one(mail_settings(server.port), deadline_s=1).send(MAILED) == TryAgain("timeout")
        await asyncio.wait_for(server.hung_up.wait(), 5)


async def test_a_relay_that_takes_no_connection_holds_none_of_the_threads_that_others_share() -> None:
    """Nothing answers its address: connecting hangs. Passwords are checked in the threads of the process meanwhile."""
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(2))
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, ExitStack() as waiting:
        for _ in range(4):  # its queue is full: what comes now is not answered
            one_more = waiting.enter_context(socket.socket())
            one_more.setblocking(False)
            one_more.connect_ex(full.getsockname())
        channel = one(mail_settings(full.getsockname()[1]), deadline_s=1)
        tries = [asyncio.create_task(channel.send(MAILED)) for _ in range(8)]
        await asyncio.sleep(0.2)
        async with asyncio.timeout(0.5):
            await asyncio.to_thread(lambda: None)
        assert await asyncio.gather(*tries) == [TryAgain("timeout")] * 8


async def test_a_relay_that_speaks_no_tls_gets_no_mail() -> None:
    async with relay() as server:
        settings = {**mail_settings(server.port), "tls": "starttls"}
        assert await one(settings).send(MAILED) == Refused("smtp_not_supported")
    assert server.taken == []


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """For gateway.example, by an authority of our own."""
    if shutil.which("openssl") is None:
        pytest.skip("needs the openssl program")
    return make_certificates(tmp_path_factory.mktemp("certificates"), "DNS:gateway.example")


def by_name(settings: dict[str, Any], trusts: ssl.SSLContext | None) -> Channel:
    """A channel whose every name leads to this machine."""
    chosen = config({"it": settings})
    targets = Targets(chosen.private_targets, Names(["127.0.0.1"]))
    return open_channels(chosen, lambda: NOW, targets=targets, trusts=trusts)["it"]


async def test_the_checked_address_must_show_the_certificate_of_the_name(certificates: Certificates) -> None:
    trusts = certificates.of_client()
    async with http_target(tls=certificates.of_server()) as target:
        url = f"https://gateway.example:{target.port}/"
        assert await by_name({"kind": "http", "url": url}, trusts).send(SAID) == Taken()
        assert target.asked[0].headers["host"] == f"gateway.example:{target.port}"
        other = f"https://other.example:{target.port}/"
        assert await by_name({"kind": "http", "url": other}, trusts).send(SAID) == TryAgain("tls")
        assert await by_name({"kind": "http", "url": url}, None).send(SAID) == TryAgain("tls")
    assert len(target.asked) == 1


@pytest.mark.parametrize("tls", ["tls", "starttls"])
async def test_a_relay_is_checked_by_its_name_too(certificates: Certificates, tls: str) -> None:
    trusts, server_side = certificates.of_client(), certificates.of_server()
    async with relay(server_side if tls == "tls" else None) as server:
        server.starttls = server_side if tls == "starttls" else None
        settings = {**mail_settings(server.port), "host": "gateway.example", "tls": tls}
        assert await by_name(settings, trusts).send(MAILED) == Taken()
        assert await by_name({**settings, "host": "other.example"}, trusts).send(MAILED) == TryAgain("tls")
        assert await by_name(settings, None).send(MAILED) == TryAgain("tls")
    assert len(server.taken) == 1


async def test_no_log_holds_a_key_or_an_address(caplog: pytest.LogCaptureFixture) -> None:
    """Also not the logs of the libraries below, whatever level is asked for."""
    with caplog.at_level("DEBUG"):
        for level_of in ("httpx", "httpcore"):
            logging.getLogger(level_of).setLevel(logging.NOTSET)
        settings = {"kind": "http", "url": "/hook/hunter2?to={address}&t=hunter2", "headers": {"X-Key": "hunter2"}}
        for reply in (answer(200), answer(404), answer(302, Location="http://hunter2/"), b"hunter2"):
            await sent_to(settings, reply)
        async with relay() as server:
            await one(mail_settings(server.port)).send(MAILED)
    assert "hunter2" not in caplog.text
    assert SAID.address not in caplog.text
    assert MAILED.address not in caplog.text
