-- Likewise in the new snapshot.
CREATE TEMP VIEW new_kept AS
SELECT repository, suspect, contents.tags AS tags, contents.images AS images, contents.problems AS problems
FROM new_heads
WHERE contents IS NOT NULL AND repository IN (SELECT repository FROM old_kept)
