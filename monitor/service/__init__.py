"""The service: watches many runs, keeps their history, shows a page, tells people once.

`store/` keeps, `judging` judges, `intake` commits both in one transaction, `outbox` delivers,
`sources/` fetches, `api/` and `pages/` show. No torch, no Lightning, no MLflow client.
"""
