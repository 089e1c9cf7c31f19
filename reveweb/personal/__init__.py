"""The pages under `/account/`: what a person keeps, sees and ends of their own."""
