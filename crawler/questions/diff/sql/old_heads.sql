-- How each repository of the old snapshot was listed, and a fingerprint of what is in it.
CREATE TEMP TABLE old_heads AS
SELECT repository, outcome, suspect, error_code, len(tags) AS tags, len(images) AS images, fingerprint
FROM old_contents
