"""Where people look at rows and decide: decisions out to other tools and in from them."""
