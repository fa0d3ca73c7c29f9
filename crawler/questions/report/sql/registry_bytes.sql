SELECT any_value(bytes) AS bytes FROM team_bytes WHERE team IS NULL
