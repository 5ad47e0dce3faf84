"""The 2012 AlexNet experiment as commands."""
