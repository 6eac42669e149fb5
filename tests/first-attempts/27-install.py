# fails: OSError
# hint: no processes
import subprocess, sys
subprocess.run([sys.executable, "-m", "pip", "install", "tabulate"])
import tabulate
