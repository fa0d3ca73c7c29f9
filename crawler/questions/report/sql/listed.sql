-- What the later statements need of each repository.
CREATE TEMP TABLE listed AS
SELECT repository, outcome, tags, images, error_code, http_status, error_message, suspect
FROM repositories
