"""What a person sees: hosted checkout, billing portal, invoices, the operator panel."""
