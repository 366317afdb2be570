#!/bin/sh
# Works through an endless queue, and ends in good order when it is asked to.
trap 'echo "worker $1: finished, good night"; exit 0' TERM
job=0
while :; do
  job=$((job + 1))
  echo "worker $1: job $job"
  sleep 1
done
