"""Would a crawl run? Each step that a crawl needs is tried once, with the crawl's own parts, and nothing is kept.

| module | question |
|---|---|
| `checkup` | Which steps are there, in which order, and what is not tried after a failure? |
| `step` | What did one step find? |
| `network` | Does the registry answer: certificates, proxy, name, connection? |
| `clock` | Is this machine's clock right? |
| `identity` | Which credentials are found, and are they accepted? |
| `names` | Where do repository names come from, and what lists one repository? |
| `google` | Which of Google's APIs refuse what a crawl asks of them? |
| `contents` | Can manifests and referrers be read, and does the product's own API answer? |
| `output_folder` | Can a snapshot be written and published? |
| `lake` | Can it be published to the lake? |
| `machine` | Do open files and memory suffice? |
| `advice` | What mends a refusal, in the words of the tool that does? |

A step fails where a crawl would publish nothing, and warns where its snapshot would be partial or cost more than it
must. To add a step: a function that returns a `Finding`, and its line in `checkup`.
"""
