"""Optimiser steps as one kernel per tensor."""
