-- Repositories that could not be listed, or not for certain. `matching` is how many there are in all.
SELECT repository, outcome, error_code, http_status, error_message, suspect, count(*) OVER () AS matching
FROM listed
WHERE outcome IN ('denied', 'failed') OR suspect IS NOT NULL
ORDER BY outcome = 'ok', repository
LIMIT $most
