-- How many managed nodes have which cause, with an example of each.
WITH doctor AS (
  SELECT
    resourceid,
    max_by(state, capturetime) AS state,
    max_by(cause, capturetime) AS cause,
    max_by(severity, capturetime) AS severity,
    max_by(fix, capturetime) AS fix
  FROM ssm_doctor.doctor
  GROUP BY resourceid
)
SELECT cause, severity, state, count(*) AS nodes, min(resourceid) AS example, arbitrary(fix) AS fix
FROM doctor
WHERE cause <> 'healthy'
GROUP BY cause, severity, state
ORDER BY nodes DESC;
