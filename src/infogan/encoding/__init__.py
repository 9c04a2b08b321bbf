"""What a trained model says about many images: tables of their codes, and folders of them by category."""
