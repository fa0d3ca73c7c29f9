"""Any JSON, for the property tests of parsers."""

from hypothesis import strategies as st

text = st.text(st.characters(codec="utf-8"), max_size=12)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=10,
)
flat = (
    st.none()
    | st.booleans()
    | st.integers()
    | text
    | st.sampled_from([1.5, [], {}, ["a"], [None], {"a": "b"}, {"a": None}, [{}]])
)
"""Values that do not nest deep: cheap where a document has many."""
