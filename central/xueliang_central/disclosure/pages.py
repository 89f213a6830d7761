"""The pages about cameras as HTML that stands alone and prints (pure): no script, nothing fetched from anywhere.

Every text that a person has typed is escaped. A notice page says less than the assessment: it is for the public.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, datetime
from html import escape
from typing import Final

from xueliang_central.disclosure.facts import AreaName, Assessment, CameraFact, RuleFact, stills_days
from xueliang_central.disclosure.words import HAZARDS, LANGUAGES, WORDS, Language
from xueliang_central.rights.policy import Permission
from xueliang_configs.schedules import DEFAULT_TIME_ZONE, zone_of

_STYLE: Final = (
    "body{font:15px/1.6 system-ui,'Noto Sans CJK SC','Microsoft YaHei',sans-serif;color:#1a1a1a;max-width:60rem;"
    "margin:2rem auto;padding:0 1rem}h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2rem}"
    "table{border-collapse:collapse;width:100%;margin:.5rem 0 1.5rem}th,td{border:1px solid #999;padding:.3rem .6rem;"
    "text-align:left;vertical-align:top}th{width:14rem;background:#f2f2f2;font-weight:600}"
    ".bad{color:#a40000;font-weight:600}section{break-inside:avoid}ul{margin:0;padding-left:1.2rem}"
    "@media print{body{margin:0;max-width:none}a{color:inherit}}"
)
_LANG: Final = {"zh": "zh-CN", "en": "en"}
_COMMA: Final[dict[Language, str]] = {"zh": "、", "en": ", "}

Cells = tuple[str, str]  # a heading and its cell, both HTML


def assessment_page(found: Assessment, language: Language) -> Iterator[str]:
    """The impact assessment, in pieces: a city has 30,000 cameras."""
    say = _Speech(language)
    yield _head(say("assessment"), language)
    yield f"<h1>{say('assessment')}</h1>"
    yield _table(
        [
            (say("area"), say.area(found.area)),
            (say("responsible"), say.responsible(found)),
            (say("contact"), say.stated(found.disclosure.contact)),
            (say("version"), f"<code>{found.version}</code>"),
            (say("changed_at"), say.moment(found.changed_at)),
            (say("made_at"), say.moment(found.made_at)),
        ]
    )
    yield f"<h2>{say('summary')}</h2>"
    yield _table(_summary(found, say))
    yield f"<h2>{say('principles')}</h2>{_principles(found, say, says_off=True)}"
    yield f"<h2>{say('retention')}</h2>{_table(_retention(found, say))}<p>{say('held')}</p>"
    yield f"<h2>{say('rights')}</h2>{_table(_rights(found, say))}"
    yield f"<h2>{say('cameras')}</h2>"
    for camera in found.cameras:
        yield f"<section><h3>{escape(camera.name)}</h3>{_table(_camera(found, camera, say))}</section>"
    yield "</body></html>\n"


def notice_page(found: Assessment, camera: CameraFact) -> str:
    """What the public may know of a camera: Chinese, then English."""
    parts = [_head(WORDS["zh"]["notice"], "zh")]
    for language in LANGUAGES:
        say = _Speech(language)
        parts.append(f'<section lang="{_LANG[language]}"><h1>{say("notice")}</h1>{_table(_notice(found, camera, say))}')
        parts.append(f"{_principles(found, say)}<p>{say('ask')}</p></section>")
    return "".join((*parts, "</body></html>\n"))


def index_page(found: Assessment, href_of: Callable[[CameraFact], str]) -> Iterator[str]:
    """Links to the notice page of each camera, place by place."""
    title = f"{WORDS['zh']['notices']} / {WORDS['en']['notices']}"
    yield _head(title, "zh")
    yield f"<h1>{escape(title)}</h1>"
    by_place = sorted(found.cameras, key=lambda camera: (camera.area.code if camera.area else "", camera.camera_id))
    place: str | None = None
    for camera in by_place:
        name = f"{camera.area.zh} / {camera.area.en}" if camera.area else WORDS["zh"]["unstated"]
        if name != place:
            yield f"{'' if place is None else '</ul>'}<h2>{escape(name)}</h2><ul>"
            place = name
        href = escape(href_of(camera), quote=True)
        yield f'<li><a href="{href}">{escape(camera.name)}</a> <code>{escape(camera.camera_id)}</code></li>'
    yield f"{'' if place is None else '</ul>'}</body></html>\n"


class _Speech:
    """The words of one language. What it returns is HTML."""

    def __init__(self, language: Language) -> None:
        self.language = language
        self._words = WORDS[language]

    def __call__(self, word: str, **named: object) -> str:
        return escape(self._words.get(word, word).format(**named) if named else self._words.get(word, word))

    def stated(self, text: str | date | None) -> str:
        return f'<span class="bad">{self("unstated")}</span>' if text is None else escape(str(text))

    def area(self, name: AreaName | None) -> str:
        return self.stated(None) if name is None else escape(name.zh if self.language == "zh" else name.en)

    def hazard(self, code: str) -> str:
        return escape(HAZARDS[self.language].get(code, code))

    def list(self, items: Iterable[str]) -> str:
        return _COMMA[self.language].join(items) or self("none")

    def moment(self, at: datetime | None) -> str:
        local = None if at is None else at.astimezone(zone_of(DEFAULT_TIME_ZONE))
        return self("none") if local is None else f"{local:%Y-%m-%d %H:%M} (UTC+8)"

    def days(self, days: int | None, word: str = "days_after") -> str:
        return self("for_ever") if days is None else self(word, days=days)

    def responsible(self, found: Assessment) -> str:
        chosen = found.disclosure
        english = chosen.responsible_en or chosen.responsible
        return self.stated(chosen.responsible if self.language == "zh" else english)


def _head(title: str, language: Language) -> str:
    return (
        f'<!doctype html>\n<html lang="{_LANG[language]}"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style></head><body>"
    )


def _table(rows: Sequence[Cells]) -> str:
    cells = "".join(f"<tr><th>{heading}</th><td>{cell}</td></tr>" for heading, cell in rows)
    return f"<table>{cells}</table>"


def _principles(found: Assessment, say: _Speech, *, says_off: bool = False) -> str:
    """`says_off`: also that there is no live view."""
    said = [say(word) for word in ("p_identity", "p_mask", "p_audio", "p_scope")]
    if found.live_minutes is not None:
        said.append(say("p_live", minutes=found.live_minutes))
    elif says_off:
        said.append(say("p_live_off"))
    items = "".join(f"<li>{one}</li>" for one in said)
    return f"<ul>{items}</ul>"


def _summary(found: Assessment, say: _Speech) -> list[Cells]:
    today = found.made_at.astimezone(zone_of(DEFAULT_TIME_ZONE)).date()
    hazards = sorted({hazard for camera in found.cameras for hazard in camera.hazards})
    models = sorted({model for camera in found.cameras for model in camera.models})
    return [
        (say("cameras"), str(len(found.cameras))),
        (say("incomplete"), str(sum(bool(camera.missing) for camera in found.cameras))),
        (say("overdue"), str(sum(camera.is_overdue(today) for camera in found.cameras))),
        (say("hazards"), say.list(say.hazard(code) for code in hazards)),
        (say("models"), say.list(f"<code>{escape(model)}</code>" for model in models)),
    ]


def _retention(found: Assessment, say: _Speech) -> list[Cells]:
    kept = found.retention
    of_hazard = [
        (f"{say('stills')}: {say.hazard(hazard.value)}", say.days(stills_days(kept, hazard.value)))
        for hazard in sorted(kept.evidence_by_hazard)
    ]
    no_hazard = None if kept.evidence_days is None else kept.evidence_no_hazard_days
    return [
        (say("stills"), say.days(kept.evidence_days)),
        *of_hazard,
        (say("stills_no_hazard"), say.days(no_hazard)),
        (say("photos"), say.days(kept.photos_days)),
        (say("unnamed"), say.days(kept.unnamed_pictures_days, "days")),
        (say("alerts"), say.days(kept.alerts_days)),
        (say("records"), say.days(kept.records_days, "days")),
        (say("events"), say.days(kept.events_days, "days")),
    ]


def _rights(found: Assessment, say: _Speech) -> list[Cells]:
    return [(say(right), say.list(say(role) for role in roles)) for right, roles in found.rights.items()]


def _camera(found: Assessment, camera: CameraFact, say: _Speech) -> list[Cells]:
    rows = [
        (say("camera"), f"<code>{escape(camera.camera_id)}</code>"),
        (say("area"), say.area(camera.area)),
        (say("place_class"), say(camera.place_class)),
        *_stated(camera, say, "purpose", "legal_basis", "signed_on", "approved_view", "view_approved_on", "review_by"),
        (say("rules"), _rules(camera, say)),
        (say("models"), say.list(f"<code>{escape(model)}</code>" for model in camera.models)),
        (say("kept"), _kept(found, camera, say)),
        (say("seen_by"), _seen_by(found, camera, say)),
        (say("processed"), say.list([_node(camera, say), say("centre", area=_plain(found.centre, say.language))])),
    ]
    if camera.missing:
        missing = say.list(say(name) for name in camera.missing)
        rows.append((say("missing"), f'<span class="bad">{missing}</span>'))
    return rows


def _stated(camera: CameraFact, say: _Speech, *names: str) -> list[Cells]:
    return [(say(name), say.stated(getattr(camera, name))) for name in names]


def _rules(camera: CameraFact, say: _Speech) -> str:
    items = "".join(f"<li>{_rule(rule, say)}</li>" for rule in camera.rules)
    shown = f"<ul>{items}</ul>" if items else ("" if camera.rules_said == "unsaid" else say("none"))
    return f"{shown}<small>{say(camera.rules_said)}</small>"


def _rule(rule: RuleFact, say: _Speech) -> str:
    words = [f"{say.hazard(rule.hazard)} <code>{escape(rule.rule_id)}</code>"]
    if rule.severity is not None:
        words.append(f"{say('severity')} {rule.severity}")
    words.append(escape("; ".join(rule.hours)) or say("always"))
    words += [say(word) for word in ("drill", "shadow") if getattr(rule, word)]
    return say.list(words)


def _kept(found: Assessment, camera: CameraFact, say: _Speech) -> str:
    """By hazard where they differ."""
    kept = {hazard: stills_days(found.retention, hazard) for hazard in camera.hazards}
    if len(set(kept.values())) > 1:
        items = [f"{say.hazard(hazard)}: {say.days(days)}" for hazard, days in kept.items()]
    else:
        items = [say.days(next(iter(kept.values()), found.retention.evidence_days))]
    no_hazard = None if found.retention.evidence_days is None else found.retention.evidence_no_hazard_days
    alerts = f"{say('alerts')}: {say.days(found.retention.alerts_days)}"
    return "<br>".join(
        [f"{say('stills')}: {say.list(items)}", f"{say('stills_no_hazard')}: {say.days(no_hazard)}", alerts]
    )


def _seen_by(found: Assessment, camera: CameraFact, say: _Speech) -> str:
    """Who may see its stills: role by role, with how many accounts there are."""
    may = found.rights[Permission.SEE_PICTURES.value]
    counted = [f"{say(role)}: {many} {say('accounts')}" for role, many in camera.seen_by.items() if role in may]
    return say.list(counted) if counted else say("no_accounts")


def _node(camera: CameraFact, say: _Speech) -> str:
    if camera.node_id is None:
        return say("no_node")
    if camera.node_area is None:
        return say("node", node=camera.node_id)
    return say("node_in", node=camera.node_id, area=_plain(camera.node_area, say.language))


def _plain(name: AreaName, language: Language) -> str:
    return name.zh if language == "zh" else name.en


def _notice(found: Assessment, camera: CameraFact, say: _Speech) -> list[Cells]:
    roles = found.rights[Permission.SEE_PICTURES.value]
    return [
        (say("responsible"), say.responsible(found)),
        (say("contact"), say.stated(found.disclosure.contact)),
        (say("camera"), f"<code>{escape(camera.camera_id)}</code>"),
        (say("name"), escape(camera.name)),
        (say("area"), say.area(camera.area)),
        *_stated(camera, say, "purpose", "legal_basis", "signed_on", "approved_view"),
        (say("hazards"), say.list(say.hazard(code) for code in camera.hazards)),
        (say("kept"), _kept(found, camera, say)),
        (say("seen_by"), say.list(say(role) for role in roles)),
        (say("processed"), say.list([say("near"), say("centre", area=_plain(found.centre, say.language))])),
        (say("version"), f"<code>{found.version_of(camera)}</code>"),
        (say("made_at"), say.moment(found.made_at)),
    ]
