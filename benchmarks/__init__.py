"""What is measured: a module a study; `ablations` take the method apart, `reports` make tables and
figures of the records."""
