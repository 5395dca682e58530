#!/usr/bin/env bash
# Upgrades a node to the cluster's version v1.34.4-u-ame.2, in its pool workers.
# Run it as root, once the control plane has that version. It can be run again.
#
# The pool's upgrade strategy is REPLACE.
# Nodes are replaced, not upgraded:
# 1. join a new machine, with the install script or cloud-init of the new version
# 2. kubectl drain <node> --ignore-daemonsets --delete-emptydir-data, and kubectl delete node <node>
# 3. kubeadm reset on the old machine, or delete it
# Where a machine has to stay, drain its node, run this script on it, and uncordon it.
