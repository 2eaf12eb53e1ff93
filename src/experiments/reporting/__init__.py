"""Reading finished cells: tables, intervals, figures, the report and the dashboards."""
