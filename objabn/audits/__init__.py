"""Audits of a trained row: is its map used, does its answer lean on the background?"""
