"""Which images do workloads run? What `kubectl get pods -A -o json` prints becomes the table `running`.

- `json_objects`: the objects of a long JSON text, one at a time
- `kubernetes`: Kubernetes' objects as the containers that they run
- `reference`: references to images, as docker reads them
- `uses`: what the containers use of one snapshot's target

What is read holds the environment of containers, so no message quotes it.
"""
