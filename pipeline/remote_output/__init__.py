"""An output that lies in a store: what a command takes from there first, and leaves there last.

    set/                the Delta table; a version is there when its entry of the log is
    runs/<run_id>/      runs that published or were refused
    ledger/             what the next refresh reads instead of the inputs of before
    models/<model_id>/  finished models; models/current holds the name of the current one
    mended.parquet      rows that were fixed by hand
    index.html          every run, version and model

The work itself is done in a folder of this machine, which may be lost at any time.
"""
