"""The linearised equations as systems over blocks of rows."""
