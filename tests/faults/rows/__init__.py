"""The rows of the card, by theme; `card.all_rows` finds them."""
