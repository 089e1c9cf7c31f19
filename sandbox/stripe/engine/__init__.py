"""What changes objects: charging, invoicing, subscriptions, checkout, refunds, disputes, time."""
