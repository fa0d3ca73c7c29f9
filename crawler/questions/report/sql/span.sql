-- What the first and the last name have in common, all names between them have.
SELECT min(repository) AS first, max(repository) AS last
FROM listed
WHERE outcome <> 'invalid'
