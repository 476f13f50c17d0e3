"""The peers' job, once per tool; each file is a program: IN_FOLDER OUT_FOLDER SCORER."""
