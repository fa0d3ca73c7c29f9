-- What the runs prove, in one row.
CREATE TEMP TABLE evidence AS SELECT
    $old_prefix::VARCHAR AS old_prefix,
    $new_prefix::VARCHAR AS new_prefix,
    $absence_doubt::VARCHAR AS absence_doubt,
    $addition_doubt::VARCHAR AS addition_doubt,
    $digests_doubt::VARCHAR AS digests_doubt,
    $compares_images::BOOLEAN AS compares_images
