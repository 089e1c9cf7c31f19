"""Random stories of customers, operators and Stripe, held to what was promised.

`story` draws a story from a seed, `acts` are the things that can happen in it, `standin` is Stripe in this process,
`post` is the way of its events to the books, `promises` knows from the story alone what was sold and is paid, `truth`
compares the books with it after each step, and `stage` plays a story and makes one that fails short.

The rule: the credits of every paid invoice and checkout, as sold, were spendable at some moment until their end;
nothing unpaid ever was.
"""
