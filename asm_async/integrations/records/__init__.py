"""
What frameworks store, as events of the conventions, without the frameworks.

The adapters write it so, and the importers of the frameworks' own databases do the
same: that is why an adapter can continue an imported session.
"""
