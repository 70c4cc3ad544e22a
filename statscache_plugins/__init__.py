"""The statistics that come with statscache."""
