"""Audits of a trained row: is its map used, do maps explain, does its answer lean on the background?"""
