"""Products' own APIs, beside the distribution protocol: names of repositories, and images by the hundred.

A file for each product says which names its API lists, and what it tells of an image. `products` has one line for each
of them.

| module | question |
|---|---|
| `api` | What can a product's API be asked? |
| `access` | How is it reached, and with which credentials? |
| `pages` | How is a list read to its end? |
| `listing` | How do images from an API become a repository's listing? |
| `lister` | Who lists a repository: the API, or the protocol? |
| `availability` | Is an API worth another request? |
| `aws_json`, `aws_signing` | How are AWS's services asked? |
| `products` | Which product has an API? |
"""
