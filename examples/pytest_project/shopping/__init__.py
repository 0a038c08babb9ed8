"""A domain that adds up baskets."""
