from django.apps import AppConfig


class GeneratorConfig(AppConfig):
    name = "generator"

    def ready(self) -> None:
        """Let the credit history name its images."""
        from billing.ledger import causes  # models can be imported only now
        from generator.library import trash

        causes.register("generation", names=trash.names)
