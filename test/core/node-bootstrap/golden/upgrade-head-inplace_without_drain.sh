#!/usr/bin/env bash
# Upgrades a node to the cluster's version v1.34.4-u-ame.2, in its pool workers.
# Run it as root, once the control plane has that version. It can be run again.
#
# The pool's upgrade strategy is INPLACE_WITHOUT_DRAIN.
# Run this script on one node after the other; pods keep running while it does.
# Kubernetes asks for a drain where the minor version changes; this pool does without.
