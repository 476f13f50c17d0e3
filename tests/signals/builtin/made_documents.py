"""Documents made of sentences, bullets, repeats and odd lines, for the heuristics to judge."""

from __future__ import annotations

import random

SENTENCES = """
I don't think that the shoes are worth $120, but they're the best I have worn with this coat.
Mr. Smith said: "We can't be sure of it..." and left for the U.S. at 5 p.m. on Friday.
The well-known state-of-the-art device (bought in 2019) weighs 3.5 kg and costs 20% less.
It's a pity that nobody could've told us to look at https://example.org/page?id=3 before.
To be honest, that is all I have to say of the matter, and of those who came with me.
You'll find the answer in chapter 7; the rest of the book isn't needed, is it?
Great!!! Really great :) I'd buy it again and again <3
He asked whether the children's room had to be painted and/or repaired by the 3rd of May.
The trial enrolled 1,204 patients, of whom 58.3% had to be treated with a second drug.
Why did it fail? Nobody knows. That's the problem with it, and that will be the end of it.
Call 555-0100 or write to ann@example.com -- we answer within 24hrs.
Gonna be fun, ain't it? We've waited for that since the summer of '69.
The 1990s' fashion was odd; its colours, however, have come back to us with a vengeance.
She said 'no', he said "yes", and the dog (as always) said nothing at all.
In short: have patience with the parts, the tools & the manual.
#sale #new #shoes #now
12 34 56 78 90 11 22 33
Terms of use and privacy policy: this site uses cookies.
Please enable JavaScript to see the rest of the page.
function() { return 1; }
Lorem ipsum dolor sit amet, consectetur adipiscing elit.
And so on ...
Home
Read more
""".strip().splitlines()


def made_documents(count: int, seed: int = 1) -> list[str]:
    """Make documents; the same ones for the same count and seed."""
    draw = random.Random(seed)
    made = ["", " ", "#", "...", "a\n\n\nb", "\u2022 x\n\u2022 y", "- a\n- b\n- c"]
    while len(made) < count:
        few = [draw.choice(SENTENCES) for _ in range(draw.randint(1, 14))]
        if draw.random() < 0.5:
            few = [one for one in few if len(one) > 60] or few
        if draw.random() < 0.3:
            few = few[:3] * draw.randint(1, 4)
        joint = draw.choice([" ", " ", " ", "\n", "\n\n", "\n- ", " \n", "...\n", "  "])
        made.append(joint.join(few) + draw.choice(["", "", "\n", " "]))
    return made[:count]
