"""The videos of a data set as official lists, a table or its folders name them; one reader a module. Reads no video."""
