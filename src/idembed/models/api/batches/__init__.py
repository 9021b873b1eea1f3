"""Batch endpoints of providers: half the price, hours later."""
