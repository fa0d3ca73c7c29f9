-- Whether the referrers API lists anything in the new snapshot.
SELECT true AS api_answers
FROM new_records
WHERE len(list_filter(
    images, lambda image: list_contains(list_transform(image.referrers, lambda referrer: referrer.via), 'api')
)) > 0
LIMIT 1
