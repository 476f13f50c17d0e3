"""Words of English that join others and say nothing of what a text is about."""

from __future__ import annotations

from typing import Final

STOP_WORDS: Final = frozenset(
    """
    a about above after again against all also although always am an and another any are as at be
    because been before being below between both but by can cannot could d did do does doing don
    done down during each either else even ever every few for from further get gets got had has have
    having he her here hers herself him himself his how however i if in into is it its itself just
    let ll m may me might mine more most much must my myself neither no nor not now of off on once
    one only onto or other others otherwise our ours ourselves out over own per quite rather re s
    same shall she should since so some still such t than that the their theirs them themselves then
    there these they this those through thus to too under until up upon us ve very was we well were
    what when where whether which while who whom whose why will with within without would yet you
    your yours yourself yourselves
    aren couldn didn doesn hadn hasn haven isn mightn mustn needn shan shouldn wasn weren won wouldn
    aren't can't couldn't didn't doesn't don't hadn't hasn't haven't he'd he'll he's i'd i'll i'm
    i've isn't it's let's she'd she'll she's shouldn't that's there's they'd they'll they're they've
    wasn't we'd we'll we're we've weren't what's who's won't wouldn't you'd you'll you're you've
    """.split()
)
