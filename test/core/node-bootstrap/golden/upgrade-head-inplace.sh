#!/usr/bin/env bash
# Upgrades a node to the cluster's version v1.34.4-u-ame.2, in its pool workers.
# Run it as root, once the control plane has that version. It can be run again.
#
# The pool's upgrade strategy is INPLACE.
# One node after the other:
# 1. kubectl drain <node> --ignore-daemonsets --delete-emptydir-data
# 2. run this script on the node
# 3. kubectl uncordon <node>
