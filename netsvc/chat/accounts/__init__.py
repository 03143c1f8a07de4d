"""Accounts: passwords, certificates, SASL, and who may have which name."""
